"""One kernel for a whole sequence, derived from `step`: traced, differentiated, compiled."""
