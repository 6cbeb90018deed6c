//! Goal: placeholder
