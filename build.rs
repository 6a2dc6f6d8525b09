//! Compiles the proto files without `protoc`: protox parses them, and tonic-prost-build writes the
//! Rust code. The program contains the descriptor set with its comments for server reflection.

use std::{env, error::Error, fs, path::PathBuf};

const PROTO: &str = "codepipeline/thirdparty/v1/third_party_job_service.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let mut descriptors = protox::Compiler::new(["proto"])?;
    descriptors.include_source_info(true).include_imports(true).open_file(PROTO)?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_file_descriptor_set())?;
    tonic_prost_build::configure()
        // Two of its fields are secrets. `src/proto.rs` has a `Debug` that doesn't print them.
        .skip_debug(["codepipeline.thirdparty.v1.AcknowledgeThirdPartyJobRequest"])
        .compile_fds(descriptors.file_descriptor_set())?;
    Ok(())
}
