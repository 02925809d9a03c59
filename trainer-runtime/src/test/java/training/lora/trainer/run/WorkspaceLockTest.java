package training.lora.trainer.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/** One process at a time works in a workspace. */
final class WorkspaceLockTest {
    @TempDir
    Path folder;

    /** A process that has the lock until it is killed. */
    static final class Holder {
        private Holder() {}

        public static void main(String[] arguments) throws IOException {
            WorkspaceLock lock = WorkspaceLock.take(Path.of(arguments[0]));
            System.out.println("held");
            int end = System.in.read();
            lock.close();
            System.exit(end);
        }
    }

    @Test
    void asLongAsAnotherProcessWorksInItTheWorkspaceIsRefusedAndWhoIsNamed() throws Exception {
        Process holder = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        System.getProperty("java.class.path"),
                        Holder.class.getName(),
                        folder.toString())
                .redirectErrorStream(true)
                .start();
        try (BufferedReader said = holder.inputReader(StandardCharsets.UTF_8)) {
            String line = said.readLine();
            while (line != null && !line.equals("held")) {
                line = said.readLine();
            }
            assertThat(line).isEqualTo("held");

            assertThatThrownBy(() -> WorkspaceLock.take(folder)).isInstanceOfSatisfying(TrainerException.class, e -> {
                assertThat(e.reason()).isEqualTo(Reason.WorkspaceInUse);
                assertThat(e.reason().exitCode()).isEqualTo(23);
                assertThat(e)
                        .hasMessageStartingWith("the workspace " + folder
                                + " must be used by one process at a time, but process " + holder.pid());
            });
        } finally {
            holder.destroyForcibly().waitFor();
        }

        // The operating system gave it back.
        WorkspaceLock.take(folder).close();
        WorkspaceLock.take(folder).close();
    }
}
