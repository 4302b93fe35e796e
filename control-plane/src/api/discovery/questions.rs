//! [`Questions`]: what a node is asked about recent requests, and its answers as they come in. Nothing that serves depends
//! on it, so a question that is not answered ends with whoever asked.

use super::End;
use crate::fleet::recent::{LINE_BYTES_MAX, QUESTIONS_MAX, Question, Recent, RecentLine};
use penstock_proto::discovery::v1 as wire;
use std::collections::VecDeque;
use tokio::sync::oneshot;
use wire::control_message::Kind;

/// The questions on one node's stream.
#[derive(Debug, Default)]
pub(super) struct Questions {
    /// Number of the newest.
    newest: u64,
    unsaid: VecDeque<wire::AskRecentRequests>,
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    question: u64,
    lines_max: usize,
    recent: Recent,
    answer: oneshot::Sender<Recent>,
}

impl Questions {
    /// Somebody asks.
    pub(super) fn take(&mut self, question: Question) {
        self.open.retain(|open| !open.answer.is_closed());
        let open = &self.open;
        self.unsaid.retain(|unsaid| open.iter().any(|open| open.question == unsaid.question));
        if self.open.len() >= QUESTIONS_MAX {
            return;
        }
        self.newest += 1;
        let Question { lines_max, answer } = question;
        self.unsaid.push_back(wire::AskRecentRequests { question: self.newest, lines_max });
        let (question, lines_max) = (self.newest, lines_max as usize);
        self.open.push(Open { question, lines_max, recent: Recent::default(), answer });
    }

    /// Whether [`Self::next_message`] has one.
    pub(super) fn has_message(&self) -> bool {
        !self.unsaid.is_empty()
    }

    /// The next question to be said.
    pub(super) fn next_message(&mut self) -> Option<wire::ControlMessage> {
        let ask = self.unsaid.pop_front()?;
        Some(wire::ControlMessage { kind: Some(Kind::AskRecentRequests(ask)) })
    }

    /// Takes a part of an answer. One to a question that nobody asks any more is passed over.
    ///
    /// # Errors
    /// The node says more than it was asked for.
    pub(super) fn hear(&mut self, part: wire::RecentRequests) -> Result<(), End> {
        let Some(at) = self.open.iter().position(|open| open.question == part.question) else { return Ok(()) };
        let open = &mut self.open[at];
        if open.recent.lines.len() + part.lines.len() > open.lines_max {
            return Err(End::Violation(format!("recent_requests.lines must be at most {} together", open.lines_max)));
        }
        for line in part.lines {
            let wire::RequestLine { http_method: method, host, path, requests } = line;
            if method.len() + host.len() + path.len() > LINE_BYTES_MAX {
                return Err(End::Violation(format!(
                    "recent_requests.lines must have at most {LINE_BYTES_MAX} bytes each"
                )));
            }
            open.recent.lines.push(RecentLine { method, host, path, requests });
        }
        if part.last {
            let mut open = self.open.swap_remove(at);
            (open.recent.left_out, open.recent.too_long) = (part.requests_left_out, part.requests_too_long);
            // Whoever asked may have given up.
            let _ = open.answer.send(open.recent);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(questions: &mut Questions, lines_max: u32) -> oneshot::Receiver<Recent> {
        let (answer, answered) = oneshot::channel();
        questions.take(Question { lines_max, answer });
        answered
    }

    fn asked(questions: &mut Questions) -> wire::AskRecentRequests {
        match questions.next_message().unwrap().kind.unwrap() {
            Kind::AskRecentRequests(ask) => ask,
            other => panic!("{other:?}"),
        }
    }

    fn part(question: u64, paths: &[&str], last: bool) -> wire::RecentRequests {
        let line = |path: &&str| wire::RequestLine { path: (*path).to_owned(), requests: 1, ..Default::default() };
        let lines = paths.iter().map(line).collect();
        wire::RecentRequests { question, lines, last, requests_left_out: 4, requests_too_long: 5 }
    }

    #[test]
    fn an_answer_is_put_together_and_goes_to_whoever_asked() {
        let mut questions = Questions::default();
        let (mut first, mut second) = (ask(&mut questions, 3), ask(&mut questions, 1));
        let (one, two) = (asked(&mut questions), asked(&mut questions));
        assert_eq!((one.lines_max, two.lines_max, questions.has_message()), (3, 1, false));
        questions.hear(part(one.question, &["/a", "/b"], false)).unwrap();
        questions.hear(part(two.question, &["/x"], true)).unwrap();
        assert!(first.try_recv().is_err(), "it is not complete");
        questions.hear(part(one.question, &["/c"], true)).unwrap();
        let paths = |recent: Recent| recent.lines.into_iter().map(|line| line.path).collect::<Vec<_>>();
        assert_eq!(paths(first.try_recv().unwrap()), ["/a", "/b", "/c"]);
        let second = second.try_recv().unwrap();
        assert_eq!((second.left_out, second.too_long, paths(second)), (4, 5, vec!["/x".to_owned()]));
        // Said again, or of a question that nobody knows.
        for question in [one.question, 99] {
            assert_eq!(questions.hear(part(question, &["/a"; 9], true)), Ok(()));
        }
    }

    #[test]
    fn a_node_says_no_more_than_it_was_asked_for() {
        let mut questions = Questions::default();
        let _answered = ask(&mut questions, 2);
        let question = asked(&mut questions).question;
        questions.hear(part(question, &["/a"], false)).unwrap();
        let said = questions.hear(part(question, &["/b", "/c"], true)).unwrap_err();
        assert_eq!(said.to_string(), "recent_requests.lines must be at most 2 together");
        let long = |bytes: usize| part(question, &["x".repeat(bytes).as_str()], false);
        assert!(questions.hear(long(LINE_BYTES_MAX + 1)).unwrap_err().to_string().contains("4096 bytes"));
        assert_eq!(questions.hear(long(LINE_BYTES_MAX)), Ok(()));
    }

    #[test]
    fn a_node_that_does_not_answer_is_not_asked_for_ever() {
        let mut questions = Questions::default();
        let mut waiting: Vec<_> = (0..QUESTIONS_MAX).map(|_| ask(&mut questions, 1)).collect();
        let mut refused = ask(&mut questions, 1);
        assert!(refused.try_recv().is_err() && questions.open.len() == QUESTIONS_MAX);
        waiting.clear();
        let _again = ask(&mut questions, 1);
        assert_eq!((questions.open.len(), questions.unsaid.len()), (1, 1), "who gave up is forgotten");
    }
}
