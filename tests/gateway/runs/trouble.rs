//! What goes wrong in the fault run: each call's own trouble at AWS, and the trouble that all calls share.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use codepipeline_simulator::{
    AccessKey, AnswerFault, CallMoment, ConnectionFault, ConnectionMoment, ErrorFault, Fault, Simulator, Then,
};
use fastrand::Rng;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::chaos::Chaos;
use super::until;
use super::vitals::Metrics;
use crate::certificates::{Authority, write_pair};
use crate::process::Scratch;

/// What happens to a job's calls at AWS, one after the other. None of it tells a lie about the job.
pub fn faults(rng: &mut Rng) -> Vec<Fault> {
    let moment = if rng.bool() { CallMoment::AfterRequestRead } else { CallMoment::AfterProcessing };
    let process = rng.bool();
    let times = rng.usize(1..=4);
    match rng.u8(..20) {
        0 => vec![Fault::Reset { when: moment }],
        1 => vec![Fault::Close { when: moment }],
        2 => vec![Fault::Hang { process }],
        3 => vec![Fault::CutBody { process, http_status: None, code: None }],
        4 => vec![Fault::MalformedBody { process }],
        5 => vec![Fault::delay(rng.u64(20..400))],
        6 => vec![Fault::delay(rng.u64(800..2500))],
        7 => vec![Fault::Delay { ms: rng.u64(20..2000), then: Then::Answer }],
        8 => vec![Fault::error("ThrottlingException"); times],
        9 => {
            vec![Fault::from(ErrorFault { retry_after_ms: Some(50), ..ErrorFault::new("Throttling") }); times]
        }
        10 => vec![Fault::status(*rng.choice(&[408, 429, 500, 502, 503, 504]).unwrap())],
        11 => vec![Fault::error(*rng.choice(&CODES).unwrap())],
        12 => vec![garbage(rng)],
        _ => Vec::new(),
    }
}

const CODES: [&str; 8] = [
    "InternalFailure",
    "ServiceUnavailable",
    "RequestTimeoutException",
    "AccessDeniedException",
    "UnrecognizedClientException",
    "ValidationException",
    "SerializationException",
    "MadeUpOnTheSpotException",
];

fn garbage(rng: &mut Rng) -> Fault {
    let body = match rng.u8(..3) {
        0 => "<html>Bad gateway</html>".to_owned(),
        1 => "{\"status\": ".to_owned(),
        _ => std::iter::repeat_with(|| rng.alphanumeric()).take(200).collect(),
    };
    AnswerFault {
        http_status: *rng.choice(&[200, 302, 400, 403, 503]).unwrap(),
        body,
        ..AnswerFault::default()
    }
    .into()
}

/// Connections to AWS break, and for a while there is no AWS.
pub async fn break_connections(simulator: &Simulator, mut rng: Rng, end: &CancellationToken) {
    while !end.is_cancelled() {
        let when = if rng.bool() { ConnectionMoment::OnAccept } else { ConnectionMoment::BeforeRequestRead };
        let fault =
            if rng.bool() { ConnectionFault::Reset { when } } else { ConnectionFault::Close { when } };
        simulator.fault_next_connections(rng.u32(1..4), fault);
        if rng.u8(..8) == 0 {
            simulator.refuse_connections(true).await.unwrap();
            sleep(Duration::from_millis(300)).await;
            simulator.refuse_connections(false).await.unwrap();
        }
        sleep(Duration::from_millis(rng.u64(200..800))).await;
    }
}

/// A folder with a certificate, as Kubernetes mounts a Secret: `..data` is a link that is swapped.
pub struct Secret {
    folder: Scratch,
    authority: Authority,
    count: usize,
}

impl Secret {
    pub fn new() -> Self {
        let folder = Scratch::new();
        for name in ["tls.crt", "tls.key"] {
            symlink(Path::new("..data").join(name), folder.path().join(name)).unwrap();
        }
        let mut secret = Self { folder, authority: Authority::new(), count: 0 };
        secret.put(&secret.authority.issue("gateway.test"));
        secret
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    pub fn roots(&self) -> String {
        self.authority.pem()
    }

    fn put(&mut self, pair: &(String, String)) {
        self.count += 1;
        let (version, path) = (format!("..{}", self.count), self.folder.path());
        fs::create_dir(path.join(&version)).unwrap();
        write_pair(&path.join(&version), pair);
        symlink(&version, path.join("..data_tmp")).unwrap();
        fs::rename(path.join("..data_tmp"), path.join("..data")).unwrap();
    }
}

/// New certificates, now and then one that can't be used; each is awaited.
pub async fn rotate_certificates(chaos: &Chaos, mut secret: Secret, end: &CancellationToken) -> usize {
    let loads = async |result: &str| {
        let page = Metrics::of(chaos.admin).await;
        page.sum("codepipeline_gateway_tls_certificate_loads_total", &[&format!("\"{result}\"")])
    };
    let mut rotated = 0;
    while !end.is_cancelled() {
        if rotated % 3 == 1 {
            let before = loads("error").await;
            let (cert, _) = secret.authority.issue("gateway.test");
            let (_, key) = secret.authority.issue("gateway.test");
            secret.put(&(cert, key));
            until("refused certificates", async || loads("error").await, |now| *now > before).await;
        }
        let before = loads("ok").await;
        secret.put(&secret.authority.issue("gateway.test"));
        until("certificates", async || loads("ok").await, |now| *now > before).await;
        rotated += 1;
    }
    rotated
}

/// The access key of the run's n-th time.
pub fn key(n: usize) -> AccessKey {
    AccessKey::new(format!("AKIAFAKECHAOS{n:07}"), format!("fake-chaos-secret-{n:07}-do-not-show"))
}

/// The shared credentials file with this key in it.
pub fn put_key(folder: &Scratch, key: &AccessKey) -> std::path::PathBuf {
    let AccessKey { access_key_id, secret_access_key, .. } = key;
    folder.file(
        "credentials",
        &format!(
            "[default]\naws_access_key_id = {access_key_id}\naws_secret_access_key = {secret_access_key}\n"
        ),
    )
}

/// New keys. Mostly the old one is good until a while after the new one is in use; each third time it expires at once.
pub async fn rotate_keys(chaos: &Chaos, folder: &Scratch, end: &CancellationToken) -> usize {
    let loads = async || {
        let page = Metrics::of(chaos.admin).await;
        page.sum("codepipeline_gateway_credentials_refreshes_total", &["\"ok\""])
    };
    let mut rotated = 0;
    while !end.is_cancelled() {
        let (old, new) = (key(rotated), key(rotated + 1));
        let rude = rotated % 3 == 2;
        let kept = if rude { old.expired() } else { old };
        chaos.simulator.set_keys(vec![kept, new.clone()]);
        let before = loads().await;
        put_key(folder, &new);
        until("new credentials", loads, |now| *now > before).await;
        sleep(Duration::from_secs(2)).await;
        chaos.simulator.set_keys(vec![new]);
        rotated += 1;
    }
    rotated
}
