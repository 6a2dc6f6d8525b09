//! Compiles the gateway's proto file for `echo` and `naive`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Without this line every change in this folder, Python too, would cause a new build.
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "bounds")]
    {
        let proto = "codepipeline/thirdparty/v1/third_party_job_service.proto";
        println!("cargo::rerun-if-changed=../proto");
        tonic_prost_build::configure()
            .build_client(false)
            // The programs offer AcknowledgeThirdPartyJob alone.
            .generate_default_stubs(true)
            .compile_fds(protox::compile([proto], ["../proto"])?)?;
    }
    Ok(())
}
