mod dist;
mod shapes;
mod types;
