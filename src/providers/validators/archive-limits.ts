const MIB = 1024 * 1024

/** Bytes that everything in a package may unpack to: more than the largest images in use, and what a disk can be asked to hold at once. */
export const UNPACKED_BYTES = 16 * 1024 * MIB

/** Bytes that every package may unpack to, however small it is: small files of zeros are ordinary. */
export const UNPACKED_FREE_BYTES = 64 * MIB

/** Unpacked bytes per packed byte beyond {@link UNPACKED_FREE_BYTES}. Program text reaches 10, logs 30; deflate ends at 1,032. */
export const UNPACKED_RATIO = 100

/** Entries of one archive. The largest layers in use have tens of thousands. */
export const ARCHIVE_ENTRIES = 100_000

/** Entries of all archives of a package together. */
export const PACKAGE_ENTRIES = 1_000_000

/** Bytes of an entry's name: `PATH_MAX` of Linux. */
export const NAME_BYTES = 4096

/** Folders in a name, one in the other: deeper trees exist to hurt those who walk them. */
export const NAME_DEPTH = 64

/** Bytes of an extended (pax) header: room for a name, a link's target and attributes. */
export const EXTENDED_HEADER_BYTES = MIB

/** Zero bytes after the end mark: writers fill up their last record, of which the largest are a megabyte. */
export const PADDING_BYTES = MIB

/** Bytes of a `manifest.json`. */
export const QCC_MANIFEST_BYTES = MIB

/** Bytes of an index, a manifest or a configuration: registries refuse larger ones. */
export const OCI_DOCUMENT_BYTES = 4 * MIB

/** Bytes of all documents of a layout together, which are kept until the layout has been read. */
export const OCI_DOCUMENTS_BYTES = 64 * MIB

/** Indexes in indexes. */
export const OCI_DEPTH = 8

/** Findings that are reported of one package: the first ones say it all. */
export const REPORTED_ISSUES = 20

/** Characters of a name that a finding repeats. */
export const LOCATION_LENGTH = 256
