"""One question each; every file holds one constant STUDY."""
