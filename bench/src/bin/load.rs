//! `load`: calls a server and prints the result as one line of JSON.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use clap::{Parser, Subcommand};
use codepipeline_gateway_bench::caller::Target;
use codepipeline_gateway_bench::load::{Call, Plan};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, RsaKeySize};
use serde_json::{Value, json};

#[derive(Parser, Debug)]
struct Cli {
    #[command(subcommand)]
    command: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Make calls, in a closed loop or at a fixed rate
    Run {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        plan: Plan,
        /// The process whose CPU time is measured meanwhile
        #[arg(long)]
        pid: Option<u32>,
    },
    /// Open connections and keep them without calls until standard input ends
    Idle {
        #[command(flatten)]
        target: Target,
    },
    /// Start a program and measure the time to its first response
    Start {
        #[command(flatten)]
        target: Target,
        /// The program and its arguments
        #[arg(last = true, required = true)]
        program: Vec<String>,
    },
    /// Write the certificates, keys and tokens of a server and its callers into a folder
    Certificates {
        /// Where to
        folder: PathBuf,
    },
}

/// How long a server may take to answer its first call.
const PATIENCE: Duration = Duration::from_secs(60);

// One thread: the server under test has the machine's other cores.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let report = match Cli::parse().command {
        What::Run { target, plan, pid } => plan.run(pid, target.connect().await?).await,
        What::Idle { target } => {
            let connections = target.connect().await?;
            println!("{}", json!({ "connections": target.connections }));
            tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new())).await??;
            drop(connections);
            return Ok(());
        }
        What::Start { target, program } => start(&target, &program).await?,
        What::Certificates { folder } => return certificates(&folder),
    };
    println!("{report}");
    Ok(())
}

async fn start(target: &Target, program: &[String]) -> Result<Value, Box<dyn std::error::Error>> {
    let begun = Instant::now();
    let mut child = Command::new(&program[0]).args(&program[1..]).stderr(Stdio::null()).spawn()?;
    let answered = loop {
        match target.connect().await {
            Ok(caller) if caller.call(0).await.is_ok() => break Ok(begun.elapsed()),
            _ if begun.elapsed() > PATIENCE => break Err("no answer"),
            _ => sleep(Duration::from_micros(200)),
        }
    };
    child.kill()?;
    child.wait()?;
    Ok(json!({ "ms": answered?.as_secs_f64() * 1e3 }))
}

fn certificates(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    fs::create_dir_all(folder)?;
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::default();
    ca.distinguished_name.push(DnType::CommonName, "bench");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    fs::write(folder.join("ca.pem"), ca.self_signed(&ca_key)?.pem())?;
    let issuer = Issuer::new(ca, ca_key);
    // The caller's name is what the gateway's `--allow dns:caller` asks for.
    for (name, names) in [
        ("server", vec!["localhost".to_owned(), "127.0.0.1".to_owned()]),
        ("client", vec!["caller".to_owned()]),
    ] {
        let key = KeyPair::generate()?;
        let mut certificate = CertificateParams::new(names)?;
        // boto3's OpenSSL asks for it.
        certificate.use_authority_key_identifier_extension = true;
        fs::write(folder.join(format!("{name}.pem")), certificate.signed_by(&key, &issuer)?.pem())?;
        fs::write(folder.join(format!("{name}-key.pem")), key.serialize_pem())?;
    }
    token(folder)
}

/// Like a service-account token of a cluster: RS256, about 1 KiB with the signature.
fn token(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048)?;
    let key = EncodingKey::from_rsa_pem(key.serialize_pem().as_bytes())?;
    let mut public = Jwk::from_encoding_key(&key, Algorithm::RS256)?;
    public.common.key_id = Some("bench".into());
    fs::write(folder.join("jwks.json"), json!({ "keys": [public] }).to_string())?;
    let header = Header { kid: public.common.key_id, ..Header::new(Algorithm::RS256) };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let claims = json!({
        "iss": "https://issuer.example", "aud": ["gateway"], "sub": "system:serviceaccount:jobs:caller",
        "iat": now, "nbf": now, "exp": now + 86_400, "jti": "00000000-0000-4000-8000-000000000000",
        "kubernetes.io": {
            "namespace": "jobs",
            "pod": { "name": "caller-0000000000-00000", "uid": "00000000-0000-4000-8000-000000000000" },
            "serviceaccount": { "name": "caller", "uid": "00000000-0000-4000-8000-000000000000" },
        },
    });
    fs::write(folder.join("token"), encode(&header, &claims, &key)?)?;
    Ok(())
}
