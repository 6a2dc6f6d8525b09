//! Compiles the proto files without `protoc`: protox parses them, and tonic-prost-build writes the
//! Rust types.
//!
//! A field is secret if its comment in the proto file contains the word "Secret". The generated
//! types of messages with such a field have a `Debug` that leaves it out. The program contains the
//! descriptor set with its comments for server reflection.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, error::Error, fs};

use protox::prost_reflect::prost_types::{DescriptorProto, FileDescriptorProto};

const PROTO: &str = "codepipeline/thirdparty/v1/third_party_job_service.proto";
const PACKAGE: &str = "codepipeline.thirdparty.v1";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_source_info(true).include_imports(true).open_file(PROTO)?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;

    let descriptors = compiler.file_descriptor_set();
    let file = descriptors.file.iter().find(|file| file.name() == PROTO).ok_or("no such proto file")?;
    let secrets = messages_with_secrets(file);
    fs::write(out.join("secrets.rs"), secrets_code(&secrets)?)?;
    tonic_prost_build::configure()
        .skip_debug(secrets.iter().map(|message| format!("{PACKAGE}.{}", message.name)))
        .compile_fds(descriptors)?;
    Ok(())
}

struct Message {
    name: String,
    secret: Vec<String>,
    shown: Vec<String>,
}

/// The file's messages that have a secret field. Messages aren't nested in this API.
fn messages_with_secrets(file: &FileDescriptorProto) -> Vec<Message> {
    let messages = file.message_type.iter().enumerate().map(|(index, message)| {
        let (secret, shown) =
            fields(message).enumerate().partition::<Vec<_>, _>(|(field, _)| is_secret(file, index, *field));
        let names = |fields: Vec<(usize, String)>| fields.into_iter().map(|(_, name)| name).collect();
        Message { name: message.name().to_owned(), secret: names(secret), shown: names(shown) }
    });
    messages.filter(|message| !message.secret.is_empty()).collect()
}

fn fields(message: &DescriptorProto) -> impl Iterator<Item = String> {
    message.field.iter().map(|field| field.name().to_owned())
}

fn is_secret(file: &FileDescriptorProto, message: usize, field: usize) -> bool {
    // The field numbers of `message_type` in a file and of `field` in a message (descriptor.proto).
    let path = [4, message, 2, field].map(|step| i32::try_from(step).unwrap_or(i32::MAX));
    let locations = file.source_code_info.iter().flat_map(|info| &info.location);
    locations
        .filter(|location| location.path == path)
        .any(|location| location.leading_comments().contains("Secret"))
}

/// The `Debug` of each of these messages, and the list of their secret fields.
fn secrets_code(messages: &[Message]) -> Result<String, std::fmt::Error> {
    let mut code = String::new();
    for Message { name, shown, .. } in messages {
        let fields: Vec<String> =
            shown.iter().map(|field| format!(".field(\"{field}\", &self.{field})")).collect();
        let fields = fields.concat();
        writeln!(
            code,
            "impl std::fmt::Debug for {name} {{
                 fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {{
                     f.debug_struct(\"{name}\"){fields}.finish_non_exhaustive()
                 }}
             }}"
        )?;
    }
    let list = messages.iter().flat_map(|Message { name, secret, .. }| {
        secret.iter().map(move |field| format!("(\"{name}\", \"{field}\"), "))
    });
    writeln!(
        code,
        "/// The secret fields: message and field.\npub const SECRET_FIELDS: &[(&str, &str)] = &[{}];",
        list.collect::<String>()
    )?;
    Ok(code)
}
