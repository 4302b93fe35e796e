//! What a case is, and how it is played: bytes that are sent, and what must come, step by step.

use harness::frames::{Frame, PREFACE, Wire, code, flag, frame, get, kind, ping, settings};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::timeout;

/// How long a frame may take that must come. Whatever is right comes at once.
const WAIT: Duration = Duration::from_secs(5);
/// The stream on which a connection shows that it still works. Cases use lower ones.
const PROBE: u32 = 1_001;
/// What a connection is asked between a frame that must not do anything and the look at what it did.
const BARRIER: [u8; 8] = *b"barrier!";

/// What must come.
#[derive(Clone, Debug)]
pub(crate) enum Want {
    /// An answer with this status on a stream, to its end; what comes before it is no answer yet.
    Answer(u32, u16),
    /// A head that is no answer yet, with this status on a stream (section 8.1).
    Interim(u32, u16),
    /// The stream ends in an error with one of these codes. A connection error in its place is right too (RFC 9113 section
    /// 5.4.2), and so is the connection's end.
    Stream(u32, &'static [u32]),
    /// The stream ends in an error with one of these codes, or is answered with this status: a server may say what is wrong
    /// with a malformed request (section 8.1.1).
    StreamOr(u32, &'static [u32], u16),
    /// GOAWAY with one of these codes, then the connection's end.
    Connection(&'static [u32]),
    /// The connection's end, whatever is said before it.
    Closed,
    /// The first frame of all is SETTINGS.
    Settings,
    /// As many acknowledgements as SETTINGS were sent, those that the case begins with included.
    SettingsAck,
    /// An acknowledgement of a PING with this in it.
    Pong([u8; 8]),
    /// So many bytes of DATA on a stream since its beginning, and not one more while a PING goes back and forth.
    Data(u32, usize),
    /// `WINDOW_UPDATE`s for a stream that give back at least so many bytes, those before included.
    Window(u32, u32),
    /// Nothing: what was sent is ignored, and no stream and no connection ends.
    Nothing,
}

enum Step {
    Send(Vec<u8>),
    Want(Want),
}

/// One case.
pub(crate) struct Case {
    section: &'static str,
    name: &'static str,
    /// The settings that the client begins with; `None` where the case begins with its own first bytes.
    settings: Option<Vec<(u16, u32)>>,
    steps: Vec<Step>,
}

/// A case of a section of RFC 9113, or of RFC 7541 where the section says `HPACK`.
pub(crate) fn case(section: &'static str, name: &'static str) -> Case {
    Case { section, name, settings: Some(Vec::new()), steps: Vec::new() }
}

impl Case {
    /// Begins with these settings.
    pub(crate) fn settings(self, pairs: &[(u16, u32)]) -> Self {
        Self { settings: Some(pairs.to_vec()), ..self }
    }

    /// Begins with nothing, not even the preface.
    pub(crate) fn bare(self) -> Self {
        Self { settings: None, ..self }
    }

    /// Acknowledges the proxy's settings, which bind the client from then on.
    pub(crate) fn acknowledges(self) -> Self {
        self.want(Want::Settings).send([frame(kind::SETTINGS, flag::ACK, 0, [])])
    }

    /// Sends frames, one behind the other.
    pub(crate) fn send<const FRAMES: usize>(mut self, frames: [Vec<u8>; FRAMES]) -> Self {
        self.steps.push(Step::Send(frames.concat()));
        self
    }

    /// Waits for what must come.
    pub(crate) fn want(mut self, want: Want) -> Self {
        self.steps.push(Step::Want(want));
        self
    }

    /// An error of the connection.
    pub(crate) fn breaks(self, codes: &'static [u32]) -> Self {
        self.want(Want::Connection(codes))
    }

    /// An error of stream 1.
    pub(crate) fn resets(self, codes: &'static [u32]) -> Self {
        self.want(Want::Stream(1, codes))
    }

    /// Stream 1 is malformed.
    pub(crate) fn malformed(self) -> Self {
        self.want(Want::StreamOr(1, &[code::PROTOCOL_ERROR], 400))
    }

    /// An answer on stream 1.
    pub(crate) fn answers(self, status: u16) -> Self {
        self.want(Want::Answer(1, status))
    }

    /// It changes nothing, also not for stream 1, on which it was sent.
    pub(crate) fn ignored(self) -> Self {
        self.want(Want::Nothing)
    }

    /// Its section and name.
    pub(crate) fn title(&self) -> String {
        format!("{} {}", self.section, self.name)
    }

    /// Plays it.
    ///
    /// # Errors
    /// What came instead.
    pub(crate) async fn play(&self, proxy: SocketAddr) -> Result<(), String> {
        let wire = match &self.settings {
            Some(pairs) => Wire::open(proxy, pairs).await,
            None => Wire::connect(proxy).await,
        };
        let settings = usize::from(self.settings.is_some());
        let mut play = Play { wire, settings, seen: Vec::new(), looked: 0, data: BTreeMap::new(), over: false };
        for step in &self.steps {
            match step {
                Step::Send(bytes) => {
                    play.settings += settings_in(bytes);
                    // The other side may have closed already.
                    let _ = play.wire.send(bytes).await;
                }
                Step::Want(want) => play.want(want).await?,
            }
        }
        if play.over {
            return Ok(());
        }
        play.wire.send(&get(PROBE)).await;
        play.answer(PROBE, 200).await.map_err(|error| format!("afterwards: {error}"))
    }
}

/// How many of these frames are SETTINGS that must be acknowledged. What is no frame to its end is not looked at.
fn settings_in(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while let &[high, middle, low, kind, flags, _, _, _, _, ref rest @ ..] = bytes {
        count += usize::from(kind == kind::SETTINGS && flags & flag::ACK == 0);
        let payload_bytes = u32::from_be_bytes([0, high, middle, low]) as usize;
        bytes = rest.get(payload_bytes..).unwrap_or_default();
    }
    count
}

/// A case under way.
struct Play {
    wire: Wire,
    /// How many SETTINGS were sent.
    settings: usize,
    /// Every frame that came.
    seen: Vec<Frame>,
    /// How many of them have been looked at.
    looked: usize,
    /// Bytes of DATA by stream.
    data: BTreeMap<u32, usize>,
    over: bool,
}

impl Play {
    /// The next frame; `None` at the connection's end.
    async fn next(&mut self) -> Result<Option<Frame>, String> {
        if let Some(frame) = self.seen.get(self.looked) {
            self.looked += 1;
            return Ok(Some(frame.clone()));
        }
        let Ok(next) = timeout(WAIT, self.wire.next()).await else {
            return Err(format!("nothing more came; before: {}", self.story()));
        };
        match &next {
            None => self.over = true,
            Some(frame) => {
                if frame.kind == kind::DATA {
                    *self.data.entry(frame.stream).or_default() += frame.payload.len();
                }
                self.seen.push(frame.clone());
                self.looked = self.seen.len();
            }
        }
        Ok(next)
    }

    async fn want(&mut self, want: &Want) -> Result<(), String> {
        match want {
            Want::Answer(stream, status) => self.answer(*stream, *status).await,
            Want::Interim(stream, status) => {
                self.find(|frame| {
                    let (is_head, ends) = (frame.kind == kind::HEADERS, frame.has(flag::END_STREAM));
                    is_head && frame.stream == *stream && frame.status() == *status && !ends
                })
                .await
            }
            Want::Stream(stream, codes) => self.ends(*stream, codes, None).await,
            Want::StreamOr(stream, codes, status) => self.ends(*stream, codes, Some(*status)).await,
            Want::Connection(codes) => self.breaks(codes).await,
            Want::Closed => {
                while self.next().await?.is_some() {}
                Ok(())
            }
            Want::Settings => match self.next().await? {
                Some(frame) if frame.kind == kind::SETTINGS && !frame.has(flag::ACK) => Ok(()),
                other => Err(format!("SETTINGS must come first, not {other:?}")),
            },
            Want::SettingsAck => self.acknowledged().await,
            Want::Pong(opaque) => {
                self.find(|frame| frame.kind == kind::PING && frame.has(flag::ACK) && frame.payload == opaque).await
            }
            Want::Data(stream, bytes) => self.exactly(*stream, *bytes).await,
            Want::Window(stream, bytes) => self.given_back(*stream, *bytes).await,
            Want::Nothing => self.barrier().await,
        }
    }

    async fn acknowledged(&mut self) -> Result<(), String> {
        self.looked = 0;
        for _ in 0..self.settings {
            self.find(|frame| frame.kind == kind::SETTINGS && frame.has(flag::ACK)).await?;
        }
        Ok(())
    }

    /// Reads on until a frame is the one; an end of anything before it is none.
    async fn find(&mut self, is_it: impl Fn(&Frame) -> bool) -> Result<(), String> {
        loop {
            match self.next().await? {
                Some(frame) if is_it(&frame) => return Ok(()),
                Some(frame) if frame.kind == kind::RST_STREAM || frame.kind == kind::GOAWAY => {
                    return Err(self.story());
                }
                Some(_) => {}
                None => return Err(format!("it closed; before: {}", self.story())),
            }
        }
    }

    async fn answer(&mut self, stream: u32, status: u16) -> Result<(), String> {
        self.looked = 0;
        let mut is_right = false;
        loop {
            let Some(frame) = self.next().await? else { return Err(format!("it closed; before: {}", self.story())) };
            match frame.kind {
                kind::HEADERS if frame.stream == stream && !is_right => {
                    let found = frame.status();
                    if (100..200).contains(&found) {
                        continue;
                    }
                    if found != status {
                        return Err(format!("status {found}, not {status}"));
                    }
                    is_right = true;
                }
                kind::RST_STREAM if frame.stream == stream => return Err(self.story()),
                kind::GOAWAY if frame.number(4) != code::NO_ERROR => return Err(self.story()),
                _ => {}
            }
            let may_end = matches!(frame.kind, kind::HEADERS | kind::DATA);
            if frame.stream == stream && may_end && frame.has(flag::END_STREAM) {
                return Ok(());
            }
        }
    }

    async fn ends(&mut self, stream: u32, codes: &[u32], or_status: Option<u16>) -> Result<(), String> {
        self.looked = 0;
        loop {
            let Some(frame) = self.next().await? else { return Ok(()) };
            let (of_stream, said) = match frame.kind {
                kind::RST_STREAM => (frame.stream == stream, frame.number(0)),
                kind::GOAWAY => (true, frame.number(4)),
                kind::HEADERS if frame.stream == stream && or_status == Some(frame.status()) => return Ok(()),
                _ => continue,
            };
            match of_stream {
                true if codes.contains(&said) && frame.kind == kind::GOAWAY => self.over = true,
                true if codes.contains(&said) => {}
                _ => return Err(self.story()),
            }
            return Ok(());
        }
    }

    async fn breaks(&mut self, codes: &[u32]) -> Result<(), String> {
        self.looked = 0;
        let mut is_said = false;
        while let Some(frame) = self.next().await? {
            if frame.kind == kind::GOAWAY {
                is_said = codes.contains(&frame.number(4));
                if !is_said {
                    return Err(self.story());
                }
            }
        }
        is_said.then_some(()).ok_or_else(|| format!("no GOAWAY; {}", self.story()))
    }

    async fn barrier(&mut self) -> Result<(), String> {
        self.wire.send(&ping(&BARRIER)).await;
        let from = self.looked;
        self.find(|frame| frame.kind == kind::PING && frame.has(flag::ACK) && frame.payload == BARRIER).await?;
        let ended = |frame: &Frame| matches!(frame.kind, kind::RST_STREAM | kind::GOAWAY);
        if self.seen[from..].iter().any(ended) { Err(self.story()) } else { Ok(()) }
    }

    async fn exactly(&mut self, stream: u32, bytes: usize) -> Result<(), String> {
        while self.data.get(&stream).copied().unwrap_or_default() < bytes {
            if self.next().await?.is_none() {
                return Err(format!("it closed; before: {}", self.story()));
            }
        }
        self.barrier().await?;
        let came = self.data.get(&stream).copied().unwrap_or_default();
        if came == bytes { Ok(()) } else { Err(format!("{came} bytes of DATA, not {bytes}: {}", self.story())) }
    }

    async fn given_back(&mut self, stream: u32, bytes: u32) -> Result<(), String> {
        self.looked = 0;
        let mut given = 0;
        while given < bytes {
            match self.next().await? {
                Some(frame) if frame.kind == kind::WINDOW_UPDATE && frame.stream == stream => given += frame.number(0),
                Some(_) => {}
                None => return Err(format!("it closed; before: {}", self.story())),
            }
        }
        Ok(())
    }

    /// What came, in short.
    fn story(&self) -> String {
        let mut story = Vec::new();
        for frame in &self.seen {
            let name = match frame.kind {
                kind::DATA => "DATA",
                kind::HEADERS => "HEADERS",
                kind::RST_STREAM => "RST_STREAM",
                kind::SETTINGS => "SETTINGS",
                kind::PING => "PING",
                kind::GOAWAY => "GOAWAY",
                kind::WINDOW_UPDATE => "WINDOW_UPDATE",
                _ => "?",
            };
            let detail = match frame.kind {
                kind::RST_STREAM => format!("code {}", frame.number(0)),
                kind::GOAWAY => format!("code {} {}", frame.number(4), String::from_utf8_lossy(&frame.payload[8..])),
                kind::HEADERS => format!("{:x?}", &frame.payload[..frame.payload.len().min(8)]),
                _ => format!("{} bytes", frame.payload.len()),
            };
            story.push(format!("{name} of {} flags {} ({detail})", frame.stream, frame.flags));
        }
        story.join(", ")
    }
}

/// The preface and these settings, for cases that begin bare.
pub(crate) fn beginning(pairs: &[(u16, u32)]) -> Vec<u8> {
    [PREFACE, &settings(&[&[(1, 0)], pairs].concat())].concat()
}
