"""Reading a file as a job: fetch its blob, read it in a child process, decide, commit."""
