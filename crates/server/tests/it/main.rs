//! The binary as its users see it: started, asked, killed, started again.

mod crash;
mod first_steps;
mod gate;
mod operations;
mod paging;
mod peers_alerting;
mod prometheus_api;
mod remote_write;
mod support;
