//! bellows-proto
