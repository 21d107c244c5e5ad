//! The binary as its users see it: started, asked, killed, started again.

mod browser;
mod crash;
mod demo;
mod first_steps;
mod paging;
mod peers_alerting;
mod prometheus_api;
mod remote_write;
mod support;
mod web;
