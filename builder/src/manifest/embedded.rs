//! The profile `sample`, carried in the program, so that a demonstration needs no other file.
