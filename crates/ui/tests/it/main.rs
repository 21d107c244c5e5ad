mod shapes;
mod types;
