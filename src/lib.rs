//! jobwire: live job progress on one wire.

pub mod attach;
pub mod broker;
pub mod demo;
pub mod dialect;
pub mod exit;
pub mod net;
pub mod publish;
pub mod relay;
