package training.lora.trainer.run;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/**
 * Keeps a second process from working in the same workspace. The operating system takes it back with its process, however
 * that ends, so nothing is left to clean up after a kill.
 */
public final class WorkspaceLock implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(WorkspaceLock.class);
    private static final String NAME = ".lock";
    private static final int HOLDER_BYTES = 256;

    private final FileChannel channel;

    private WorkspaceLock(FileChannel channel) {
        this.channel = channel;
    }

    /**
     * Takes the lock of the workspace in {@code folder}.
     *
     * @throws TrainerException WorkspaceInUse if another process has it
     */
    public static WorkspaceLock take(Path folder) throws IOException {
        Path file = folder.resolve(NAME);
        FileChannel channel =
                FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
        FileLock lock;
        try {
            lock = channel.tryLock();
        } catch (OverlappingFileLockException e) {
            lock = null;
        } catch (IOException e) {
            // Some network file systems have no locks; the operator starts no second trainer there either.
            LOG.warn(
                    "{} can't be locked, so a second process in this workspace would not be noticed: {}",
                    file,
                    e.toString());
            return new WorkspaceLock(channel);
        }
        if (lock == null) {
            String holder = holder(channel);
            channel.close();
            throw new TrainerException(
                    Reason.WorkspaceInUse,
                    "the workspace %s must be used by one process at a time, but %s works in it; wait for it to end, or name another --workspace"
                            .formatted(folder, holder == null ? "another process" : holder));
        }
        String host = System.getenv().getOrDefault("HOSTNAME", "");
        String holder = "process " + ProcessHandle.current().pid() + (host.isEmpty() ? "" : " on " + host);
        channel.truncate(0);
        channel.write(ByteBuffer.wrap((holder + "\n").getBytes(StandardCharsets.UTF_8)), 0);
        return new WorkspaceLock(channel);
    }

    private static @Nullable String holder(FileChannel channel) throws IOException {
        ByteBuffer text = ByteBuffer.allocate(HOLDER_BYTES);
        channel.read(text, 0);
        String holder = new String(text.array(), 0, text.position(), StandardCharsets.UTF_8).strip();
        return holder.isEmpty() ? null : holder;
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
