//! The faults at AWS in the fault test, per call and per connection.

use std::time::Duration;

use codepipeline_simulator::{
    CallMoment, ConnectionFault, ConnectionMoment, ErrorFault, Fault, Simulator, Then,
};
use fastrand::Rng;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// The faults of a job's calls at AWS, one after the other. None of them misreports the job.
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
    Fault::answer(*rng.choice(&[200, 302, 400, 403, 503]).unwrap(), body)
}

/// Breaks connections to AWS, and sometimes refuses all connections for a while.
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
