//! The binary as its users see it: started, asked, killed, started again.

mod crash;
mod first_steps;
mod health;
mod paging;
mod prometheus_api;
mod remote_write;
mod support;
