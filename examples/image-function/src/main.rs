//! A function that takes a picture and answers it smaller.

fn main() {}
