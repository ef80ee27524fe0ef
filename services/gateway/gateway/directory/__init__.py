"""Schools, people, students, classes, devices."""
