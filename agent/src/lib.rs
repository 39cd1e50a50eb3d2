//! bellows-agent
