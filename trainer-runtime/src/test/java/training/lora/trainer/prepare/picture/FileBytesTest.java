package training.lora.trainer.prepare.picture;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import nu.pattern.OpenCV;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FileBytesTest {
    private static final Path MEMORY = Path.of("/proc/self/statm");

    @TempDir
    Path folder;

    /** Pages of this process's address space. */
    private static long pages() throws IOException {
        return Long.parseLong(Files.readString(MEMORY).split(" ")[0]);
    }

    /** Pages that are reserved and never written to take no memory, so that 1 GiB can be told from what else goes on. */
    @Test
    void fileThatCannotBeReadLeavesNoNativeMemoryBehind() throws IOException {
        assumeTrue(Files.exists(MEMORY));
        OpenCV.loadLocally();
        Path file = folder.resolve("large.png");
        int size = 1 << 30;
        try (FileChannel sparse = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            sparse.write(ByteBuffer.allocate(1), size - 1);
        }
        FileBytes bytes = FileBytes.open(file);
        bytes.close();
        long before = pages();

        assertThatThrownBy(bytes::toMat).isInstanceOf(ClosedChannelException.class);

        assertThat((pages() - before) * 4096).isLessThan(size / 2);
    }
}
