package training.lora.local.apiserver;

import java.nio.file.Path;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * How the server is started.
 *
 * @param port on 127.0.0.1; 0 for any that is free
 * @param dir where {@code kubeconfig} (mode 0600) and {@code ca.crt} are written; made if it is not there
 * @param podLogs the file that a container's output goes to, or null if it has none (yet)
 */
public record ApiServerConfig(int port, Path dir, Function<PodRef, @Nullable Path> podLogs) {}
