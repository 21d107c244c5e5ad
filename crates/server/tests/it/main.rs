//! The binary as its users see it: started, asked, killed, started again.

mod crash;
mod first_steps;
mod paging;
mod peers_alerting;
mod prometheus_api;
mod remote_write;
mod rules;
mod support;
