//! The binary as its users see it: started, asked, killed, started again.

mod crash;
mod damage;
mod disk_full;
mod doctor;
mod first_steps;
mod gate;
mod health;
mod import_data;
mod limits;
mod operations;
mod otlp;
mod paging;
mod peers;
mod peers_alerting;
mod peers_python;
mod prometheus_api;
mod prometheus_mode;
mod pushed;
mod reload;
mod remote_write;
mod rules;
mod statsd;
mod stop;
mod support;
mod tls;
