//! The Bellows agent: wraps the admin tools of one host behind typed calls.
