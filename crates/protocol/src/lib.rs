//! The Dialect seam and the transcript bench that drives dialects on virtual time.
