//! Every mark as a golden picture, and scenes that nobody should send.

mod gallery;
mod golden;
mod hostile;
mod pdf;
