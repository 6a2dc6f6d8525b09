//! Compiles the proto files without `protoc`: protox parses them, tonic-prost-build writes the Rust. The descriptor
//! set, comments included, goes into the program for server reflection.

use std::{env, error::Error, fs, path::PathBuf};

const PROTO: &str = "codepipeline/thirdparty/v1/third_party_job_service.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let mut descriptors = protox::Compiler::new(["proto"])?;
    descriptors.include_source_info(true).include_imports(true).open_file(PROTO)?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_file_descriptor_set())?;
    tonic_prost_build::configure()
        // Two of its fields are secrets; `job.rs` writes a `Debug` that can't show them.
        .skip_debug(["codepipeline.thirdparty.v1.AcknowledgeThirdPartyJobRequest"])
        .compile_fds(descriptors.file_descriptor_set())?;
    Ok(())
}
