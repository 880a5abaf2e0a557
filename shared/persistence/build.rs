//! Migrations are embedded folder by folder; a new folder changes no file that the compiler has read.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
