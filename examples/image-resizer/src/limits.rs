//! Every bound of the resizer with its unit. Nothing else in the crate holds a number that limits something.

/// Largest accepted request body; one byte more is answered 413.
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Request bodies held in memory at one time, over all connections; uploads beyond it wait, then get 503.
pub(crate) const COLLECTED_BYTES_MAX: usize = 256 * 1024 * 1024;

/// How much of a body is read and thrown away so that the client hears why it was refused.
pub(crate) const DISCARDED_BYTES_MAX: usize = BODY_BYTES_MAX;

/// How long that reading may take in all.
pub(crate) const DISCARD_MS_MAX: u64 = 5_000;

/// Longest pause between two pieces of a request body before it is answered 408.
pub(crate) const BODY_IDLE_MS_MAX: u64 = 30_000;

/// Largest request head that is parsed.
pub(crate) const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Longest wait for a complete request head. It covers the idle time of a kept-alive connection as well, so it is
/// longer than the idle time of usual connection pools: the pool should be the one that closes.
pub(crate) const HEAD_WAIT_MS_MAX: u64 = 120_000;

/// Connections served at one time; more wait in the listener's backlog.
pub(crate) const CONNECTIONS_MAX: usize = 512;

/// Pause after a failed accept, which is nearly always a lack of file descriptors.
pub(crate) const ACCEPT_RETRY_MS: u64 = 50;

/// How long requests in flight may run on after the stop signal; below the 10 s that container engines grant.
pub(crate) const DRAIN_MS_MAX: u64 = 8_000;

/// How long a request may wait for a free core, or for room for its body, before it is answered 503.
pub(crate) const ADMISSION_WAIT_MS_MAX: u64 = 10_000;

/// Seconds after which a client that got 503 is told to come back.
pub(crate) const RETRY_AFTER_S: u64 = 1;

/// Largest `?width=`, in pixels.
pub(crate) const WIDTH_PIXELS_MAX: u32 = 8_192;

/// Largest picture that is decoded, width times height; a 48-megapixel photo passes.
pub(crate) const PIXELS_MAX: u64 = 50_000_000;

/// Largest single side in pixels: the most that a JPEG can say, so that every answer can be encoded.
pub(crate) const SIDE_PIXELS_MAX: u32 = 65_535;

/// Largest decoded picture: four channels of 16 bits for every allowed pixel.
pub(crate) const DECODED_BYTES_MAX: u64 = PIXELS_MAX * 8;

/// Largest metadata (colour profile, EXIF, text) that a decoder may unpack: a kilobyte can claim to hold a gigabyte.
pub(crate) const METADATA_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Quality of the JPEG encoder, 1 to 100.
pub(crate) const JPEG_QUALITY: u8 = 85;

// One upload must always fit into what all of them share, or it could never be admitted; and permits are counted in u32.
const _: () = assert!(BODY_BYTES_MAX <= COLLECTED_BYTES_MAX && COLLECTED_BYTES_MAX <= u32::MAX as usize);
// An explicit width never produces a picture that is refused when it comes back.
const _: () = assert!(WIDTH_PIXELS_MAX <= SIDE_PIXELS_MAX);
