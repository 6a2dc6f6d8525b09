//! Makes the stubs from the gateway's proto file.

use std::error::Error;

const PROTO: &str = "codepipeline/thirdparty/v1/third_party_job_service.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=../../proto");
    let descriptors = protox::compile([PROTO], ["../../proto"])?;
    tonic_prost_build::configure()
        .build_server(false)
        // Two of its fields are secrets: nothing shall print them by accident.
        .skip_debug(["codepipeline.thirdparty.v1.AcknowledgeThirdPartyJobRequest"])
        .compile_fds(descriptors)?;
    Ok(())
}
