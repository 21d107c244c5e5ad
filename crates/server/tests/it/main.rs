//! The binary as its users see it: started, asked, killed, started again.

mod crash;
mod damage;
mod disk_full;
mod first_steps;
mod import_data;
mod paging;
mod peers_alerting;
mod prometheus_api;
mod remote_write;
mod support;
