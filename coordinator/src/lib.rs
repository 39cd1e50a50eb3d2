//! bellows
