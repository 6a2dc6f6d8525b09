//! What a call is about: the names in its log line, its span, and its error details. None of them
//! is a secret.

use std::sync::OnceLock;

use crate::util::text::truncate;

/// The longest list of ids that is kept, in bytes. A poll can return 100 jobs.
const MAX_IDS: usize = 1024;
/// The longest action type that is kept, in bytes. A valid one is shorter.
const MAX_ACTION_TYPE: usize = 128;

/// What a call is about, as far as it is known. The first record of each name counts.
#[derive(Debug, Default)]
pub struct Subject {
    job_id: OnceLock<String>,
    client_id: OnceLock<String>,
    action_type: OnceLock<String>,
    jobs: OnceLock<usize>,
}

impl Subject {
    /// The job that the call is about; the jobs of a poll, with commas between them.
    #[must_use]
    pub fn job_id(&self) -> Option<&str> {
        self.job_id.get().map(String::as_str)
    }

    /// The clients of a poll's jobs, with commas between them.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.client_id.get().map(String::as_str)
    }

    /// The action type, as `Category/Owner/Provider/Version`.
    #[must_use]
    pub fn action_type(&self) -> Option<&str> {
        self.action_type.get().map(String::as_str)
    }

    /// How many jobs a poll returned.
    #[must_use]
    pub fn jobs(&self) -> Option<usize> {
        self.jobs.get().copied()
    }

    /// Records the job.
    pub fn set_job_id(&self, job_id: &str) {
        let _ = self.job_id.set(job_id.to_owned());
    }

    /// Records the action type.
    pub fn set_action_type(&self, action_type: &str) {
        let _ = self.action_type.set(truncate(action_type, MAX_ACTION_TYPE).to_owned());
    }

    /// Records the jobs of a poll: their ids, and those of their clients.
    pub fn set_jobs<'a>(&self, jobs: impl Iterator<Item = (&'a str, &'a str)> + Clone) {
        let _ = self.jobs.set(jobs.clone().count());
        if jobs.clone().next().is_some() {
            let _ = self.job_id.set(list(jobs.clone().map(|(job, _)| job)));
            let _ = self.client_id.set(list(jobs.map(|(_, client)| client)));
        }
    }
}

/// The ids with commas between them, as many as fit.
fn list<'a>(ids: impl Iterator<Item = &'a str>) -> String {
    let mut list = String::new();
    for id in ids {
        if list.len() + id.len() + 2 > MAX_IDS {
            list.push('…');
            break;
        }
        let separator = if list.is_empty() { "" } else { ", " };
        list.push_str(separator);
        list.push_str(id);
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_jobs_of_a_poll_are_listed_as_far_as_they_fit() {
        let subject = Subject::default();
        subject.set_jobs([("job-1", "client-1"), ("job-2", "client-2")].into_iter());
        assert_eq!((subject.job_id(), subject.jobs()), (Some("job-1, job-2"), Some(2)));
        assert_eq!(subject.client_id(), Some("client-1, client-2"));

        let (many, long) = (Subject::default(), "j".repeat(100));
        many.set_jobs((0..50).map(|_| (long.as_str(), "c")));
        assert_eq!(many.jobs(), Some(50));
        assert!(many.job_id().unwrap().len() <= MAX_IDS + 3 && many.job_id().unwrap().ends_with('…'));

        let none = Subject::default();
        none.set_jobs([].into_iter());
        assert_eq!((none.jobs(), none.job_id(), none.client_id()), (Some(0), None, None));
    }
}
