"""Values and pure rules of the file service: what a document is, what it says, what a person has to confirm."""
