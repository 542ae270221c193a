//! jobwire: live job progress on one wire.

pub mod exit;
