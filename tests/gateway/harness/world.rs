//! A gateway with a simulator behind it, real from socket to socket.

use codepipeline_gateway::codepipeline::FakeKeys;
use codepipeline_simulator::{Config, Job, OperationName, Simulator};

use super::operations::{call, job_for};
use super::{
    Acknowledged, Answer, AnyResponse, Gateway, NONCE, Settings, TOKEN, fake_keys, loopback, request,
    settings, wait_for_abandoned, wait_for_requests,
};

pub struct World {
    pub simulator: Simulator,
    pub gateway: Gateway,
}

impl World {
    pub async fn start() -> Self {
        Self::on(settings()).await
    }

    /// Starts a world with these settings.
    pub async fn on(settings: Settings) -> Self {
        Self::with(settings, Some(fake_keys())).await
    }

    pub async fn with(settings: Settings, keys: Option<FakeKeys>) -> Self {
        let simulator = Simulator::start(loopback().await, Config::default()).unwrap();
        let gateway = Gateway::start(simulator.endpoint_url(), settings, keys).await;
        Self { simulator, gateway }
    }

    /// Starts a world and changes its settings first.
    pub async fn changed(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = settings();
        change(&mut settings);
        Self::on(settings).await
    }

    /// Starts a world and doesn't wait until the gateway is ready.
    pub async fn launch(settings: Settings) -> Self {
        let simulator = Simulator::start(loopback().await, Config::default()).unwrap();
        let gateway = Gateway::launch(simulator.endpoint_url(), settings, Some(fake_keys())).await;
        Self { simulator, gateway }
    }

    /// Adds a job with the usual secrets, as CodePipeline gives it to a worker.
    pub fn add(&self, id: &str) -> Job {
        let job = Job::new(id, NONCE, TOKEN);
        self.simulator.add_job(job.clone());
        job
    }

    /// Acknowledges a job with the usual secrets.
    pub async fn acknowledge(&self, id: &str) -> Acknowledged {
        self.gateway.send(request(id)).await
    }

    /// Adds a job for which a call of the operation succeeds.
    pub fn add_for(&self, operation: OperationName, id: &str) {
        self.simulator.add_job(job_for(operation, id));
    }

    /// Calls an operation with a valid request for this job.
    pub async fn call(&self, operation: OperationName, id: &str) -> Answer<AnyResponse> {
        call(self.gateway.channel.clone(), operation, id).await
    }

    /// The number of requests that reached the simulator.
    pub fn request_count(&self) -> usize {
        self.simulator.requests().len()
    }

    /// The number of requests for this job that reached the simulator.
    pub fn requests_for(&self, id: &str) -> usize {
        self.simulator.requests().iter().filter(|request| request.job_id.as_deref() == Some(id)).count()
    }

    pub async fn wait_for_requests(&self, count: usize) {
        wait_for_requests(&self.simulator, count).await;
    }

    pub async fn wait_for_abandoned(&self, count: usize) {
        wait_for_abandoned(&self.simulator, count).await;
    }

    pub async fn stop(self) {
        self.gateway.stop().await.unwrap();
        self.simulator.stop().await;
    }
}
