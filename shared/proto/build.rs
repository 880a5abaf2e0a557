//! Compiles every `.proto` below `proto` with protox: no `protoc` is needed.

use std::error::Error;
use std::path::{Path, PathBuf};

use prost::Message as _;

fn main() -> Result<(), Box<dyn Error>> {
    // Asked for when it runs: a target folder may outlive the checkout that it was compiled in.
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    println!("cargo:rerun-if-changed={}", root.display());

    let mut files = Vec::new();
    collect(&root, &mut files)?;
    files.sort();

    let descriptors = protox::compile(&files, [&root])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    // What the gateway serves and reflects: all but `datacovey.internal.*`.
    let mut public = descriptors.clone();
    public
        .file
        .retain(|file| !file.package().starts_with("datacovey.internal."));
    std::fs::write(out.join("public_descriptors.bin"), public.encode_to_vec())?;

    // Details of errors are no field of any message. Clients decode them by reflection; we, by
    // `tonic-types`.
    let mut generated = descriptors;
    generated.file.retain(|file| file.package() != "google.rpc");
    tonic_prost_build::configure()
        .bytes(".")
        .include_file("datacovey.rs")
        .compile_fds(generated)?;
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    Ok(())
}
