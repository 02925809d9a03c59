package training.lora.trainer.source;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.Reason;
import training.lora.trainer.Amounts;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.Sha256;

/**
 * One file on its way: it goes on where it was cut off, tries again as long as that leads anywhere, and is checked for
 * length, digest and kind.
 */
final class Download {
    private static final Logger LOG = LoggerFactory.getLogger(Download.class);

    /** So much of a file tells its kind. */
    private static final int KIND_BYTES = FileKind.BYTES;

    private final Source source;
    private final RemoteFile file;
    private final boolean single;
    private final Surroundings surroundings;
    private final Tries tries;
    private final Cache.Rejected rejected;
    private final LongConsumer progress;

    /** Which content came, as far as the server tells it from another; null where it doesn't. */
    private @Nullable String version;

    private Sha256 digest = new Sha256();
    private long have;

    /** How often bytes were put to others that were there. */
    private int pieces;

    private String sha256 = "";

    /**
     * @param single whether it is all that the source names, and not one of many in a folder
     * @param rejected knows what came before and had another digest than the spec asks for
     * @param progress takes how many bytes have come; negative where some must come again
     */
    Download(
            Source source,
            RemoteFile file,
            boolean single,
            Surroundings surroundings,
            Tries tries,
            Cache.Rejected rejected,
            LongConsumer progress) {
        this.source = source;
        this.file = file;
        this.single = single;
        this.surroundings = surroundings;
        this.tries = tries;
        this.rejected = rejected;
        this.progress = progress;
    }

    /** Fetches into {@code part}, whose bytes are taken as the file's beginning; returns the digest. */
    String into(Path part) throws IOException {
        if (Files.isRegularFile(part) && Files.size(part) > 0) {
            resume(part);
        }
        String problem = attempt(part);
        String before = sha256;
        if (problem != null) {
            LOG.warn(
                    "{} {}: it is fetched once more, since {}",
                    file.path(),
                    problem,
                    pieces > 1 ? "what came before may be no beginning of it" : "it may have been damaged on its way");
            file.content().elsewhere();
            restart(part);
            problem = attempt(part);
        }
        if (problem != null) {
            Files.deleteIfExists(part);
            if (source.sha256() != null && problem.equals(digestProblem())) {
                // Twice the same: that is what the server has.
                if (version != null && sha256.equals(before)) {
                    rejected.put(version, sha256);
                }
                throw source.wrongDigest(sha256);
            }
            throw source.invalid(problem);
        }
        return sha256;
    }

    /** All of it; what is wrong with it, as in "must have …, but has …", or null. */
    private @Nullable String attempt(Path part) throws IOException {
        int asked = 0;
        while (true) {
            long before = have;
            try {
                transfer(part);
                break;
            } catch (TransientException e) {
                if (file.content().elsewhere()) {
                    continue;
                }
                asked = have > before ? 0 : asked + 1;
                tries.failed(source, file.path(), asked, e);
            }
        }
        sha256 = digest.hex();
        return problem(part);
    }

    private @Nullable String problem(Path part) throws IOException {
        if (file.size() >= 0 && have != file.size()) {
            return "must have %d bytes in %s, but has %d".formatted(file.size(), file.path(), have);
        }
        if (file.sha256() != null && !file.sha256().equalsIgnoreCase(sha256)) {
            return digestProblem();
        }
        if (file.gitBlob() != null) {
            String blob = GitBlob.of(part);
            if (!file.gitBlob().equalsIgnoreCase(blob)) {
                return "must have the git object %s in %s, but has %s".formatted(file.gitBlob(), file.path(), blob);
            }
        }
        requireKind(part);
        return null;
    }

    private String digestProblem() {
        return "must have the sha256 %s in %s, but has %s".formatted(file.sha256(), file.path(), sha256);
    }

    /** What came before and was another file is not fetched again. */
    private void requireNew(RemoteFile.Opened opened) throws IOException {
        version = opened.version() == null ? null : "%s %s %d".formatted(source.uri(), opened.version(), opened.size());
        String before = version == null || source.sha256() == null ? null : rejected.get(version);
        if (before != null && !before.equals(source.sha256())) {
            throw source.wrongDigest(before);
        }
    }

    private void requireKind(Path part) throws IOException {
        if (single) {
            byte[] start = FileKind.start(part);
            FileKind.of(start).refuse(source, file.path(), start);
        }
    }

    private void resume(Path part) throws IOException {
        try (InputStream in = Files.newInputStream(part)) {
            byte[] buffer = new byte[1 << 16];
            for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
                digest.add(ByteBuffer.wrap(buffer, 0, n));
                have += n;
            }
        }
        if (file.size() >= 0 && have > file.size()) {
            restart(part);
            return;
        }
        pieces = 1;
        progress.accept(have);
        LOG.info("{} goes on after {}", file.path(), Amounts.bytes(have));
    }

    private void restart(Path part) throws IOException {
        Files.write(part, new byte[0]);
        progress.accept(-have);
        have = 0;
        pieces = 0;
        digest = new Sha256();
    }

    private void transfer(Path part) throws IOException {
        surroundings.stopIfAsked("while it fetched " + file.path());
        if (file.size() >= 0 && have == file.size() && have > 0) {
            return;
        }
        try (RemoteFile.Opened opened = open()) {
            if (opened.offset() != have) {
                restart(part);
            }
            requireUnchanged(opened.size());
            requireNew(opened);
            pieces++;
            long size = opened.size() >= 0 ? opened.size() : file.size();
            requireRoom(part, size);
            try (OutputStream out = Files.newOutputStream(part, StandardOpenOption.CREATE, StandardOpenOption.APPEND)) {
                copy(opened.in(), out, part);
            }
            if (size >= 0 && have < size) {
                throw new TransientException("ended after %d of %d bytes".formatted(have, size), null, null);
            }
        }
    }

    /** What has no digest may be replaced while it comes; what is there now is told by the next listing. */
    private void requireUnchanged(long size) {
        boolean unknown = file.sha256() == null && file.gitBlob() == null;
        if (unknown && size >= 0 && file.size() >= 0 && size != file.size()) {
            throw source.unreachable(
                    "must stay as it is while it is fetched, but had %d bytes and has %d".formatted(file.size(), size),
                    null);
        }
    }

    private RemoteFile.Opened open() throws IOException {
        try {
            return file.content().open(have);
        } catch (TransientException e) {
            throw e;
        } catch (IOException e) {
            throw cut(e);
        }
    }

    private TransientException cut(IOException e) {
        surroundings.stopIfAsked("while it fetched " + file.path());
        return new TransientException(
                "could not be read: " + (e.getMessage() == null ? e.toString() : e.getMessage()), null, e);
    }

    private void copy(InputStream in, OutputStream out, Path part) throws IOException {
        byte[] buffer = new byte[1 << 17];
        while (true) {
            int n;
            try {
                n = in.read(buffer);
            } catch (TransientException e) {
                throw e;
            } catch (IOException e) {
                throw cut(e);
            }
            if (n < 0) {
                return;
            }
            out.write(buffer, 0, n);
            digest.add(ByteBuffer.wrap(buffer, 0, n));
            boolean known = have >= KIND_BYTES;
            have += n;
            progress.accept(n);
            requireWithinLimit(have);
            if (!known && have >= KIND_BYTES) {
                requireKind(part);
            }
            surroundings.stopIfAsked("while it fetched " + file.path());
        }
    }

    private void requireRoom(Path part, long size) throws IOException {
        requireWithinLimit(Math.max(size, have));
        long space = Files.getFileStore(part.toAbsolutePath().getParent()).getUsableSpace();
        if (size - have > space) {
            throw new TrainerException(
                    Reason.StorageFull,
                    "`%s` %s needs %s more for %s, but %s has space for %s; free some, or make the volume larger, and start again: what has come is kept"
                            .formatted(
                                    source.field(),
                                    source.shown(),
                                    Amounts.bytes(size - have),
                                    file.path(),
                                    part.toAbsolutePath().getParent(),
                                    Amounts.bytes(space)));
        }
    }

    private void requireWithinLimit(long size) {
        if (size > surroundings.limitBytes()) {
            throw source.wrong("must have at most %d bytes (LORA_SOURCES_LIMIT), but %s has %d or more"
                    .formatted(surroundings.limitBytes(), file.path(), size));
        }
    }
}
