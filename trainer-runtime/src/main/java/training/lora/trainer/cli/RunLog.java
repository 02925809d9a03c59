package training.lora.trainer.cli;

import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.jspecify.annotations.Nullable;

/**
 * Writes all that goes to standard error, where the log goes, into a file too: into that of the run whose thread it comes from, or of
 * the thread that made that one.
 */
final class RunLog extends OutputStream {
    private static final InheritableThreadLocal<@Nullable OutputStream> OF_THREAD = new InheritableThreadLocal<>();

    /** Of threads that none of these made. */
    private static volatile @Nullable OutputStream latest;

    private final OutputStream first;

    private RunLog(OutputStream first) {
        this.first = first;
    }

    /** Has what this thread and those that it makes write go into {@code file} too. */
    static synchronized void open(Path file) throws IOException {
        OutputStream log = Files.newOutputStream(file, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        OF_THREAD.set(log);
        latest = log;
        if (!(System.err instanceof Printed)) {
            System.setErr(new Printed(System.err));
        }
    }

    /** Ends it for this thread, whose file is closed. */
    static synchronized void leave() throws IOException {
        OutputStream own = OF_THREAD.get();
        OF_THREAD.remove();
        if (own == null) {
            return;
        }
        if (latest == own) {
            latest = null;
        }
        own.close();
    }

    /** What is known by its type, so that it is put there once. */
    private static final class Printed extends PrintStream {
        Printed(PrintStream before) {
            super(new RunLog(before), true, StandardCharsets.UTF_8);
        }
    }

    private static @Nullable OutputStream second() {
        OutputStream own = OF_THREAD.get();
        return own != null ? own : latest;
    }

    @Override
    public void write(int b) throws IOException {
        first.write(b);
        OutputStream second = second();
        if (second != null) {
            second.write(b);
        }
    }

    @Override
    public void write(byte[] bytes, int offset, int length) throws IOException {
        first.write(bytes, offset, length);
        OutputStream second = second();
        if (second != null) {
            second.write(bytes, offset, length);
        }
    }

    @Override
    public void flush() throws IOException {
        first.flush();
        OutputStream second = second();
        if (second != null) {
            second.flush();
        }
    }
}
