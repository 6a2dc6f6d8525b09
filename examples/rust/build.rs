//! Makes the stubs from the gateway's proto file.

use std::error::Error;

const PROTO: &str = "codepipeline/thirdparty/v1/third_party_job_service.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=../../proto");
    let descriptors = protox::compile([PROTO], ["../../proto"])?;
    let messages = descriptors.file.iter().flat_map(|file| {
        file.message_type.iter().map(|message| format!("{}.{}", file.package(), message.name()))
    });
    let messages: Vec<String> = messages.collect();
    tonic_prost_build::configure()
        .build_server(false)
        // Many fields are secrets: no code can print a message by accident.
        .skip_debug(messages)
        .compile_fds(descriptors)?;
    Ok(())
}
