package training.lora.trainer.export;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;
import training.lora.trainer.adapter.FullDifference;
import training.lora.trainer.adapter.Loha;
import training.lora.trainer.adapter.Lokr;
import training.lora.trainer.adapter.ModuleForm;

/** What a file's metadata say of the module that trained it, and of its arguments, in kohya's and LyCORIS' words. */
final class NetworkArguments {
    private static final String MODULE = "ss_network_module";
    private static final String ARGUMENTS = "ss_network_args";
    private static final String LYCORIS = "lycoris.kohya";

    private NetworkArguments() {}

    /** Adds what is to be said of {@code modules}. */
    static void describe(Map<String, String> metadata, List<ModuleForm> modules) {
        String algorithm = algorithm(modules);
        List<ModuleForm> convolutions = modules.stream()
                .filter(m -> m.convolution() && !(m.kind() instanceof FullDifference))
                .toList();
        if (algorithm != null) {
            metadata.put(MODULE, LYCORIS);
        }
        if (algorithm == null && convolutions.isEmpty()) {
            return;
        }
        ObjectNode arguments = Json.MAPPER.createObjectNode();
        if (algorithm != null) {
            arguments.put("algo", algorithm);
        }
        if (!convolutions.isEmpty()) {
            arguments.put("conv_dim", AdapterWriter.common(convolutions, m -> Integer.toString(m.rank())));
            arguments.put(
                    "conv_alpha",
                    AdapterWriter.common(
                            convolutions, m -> Float.toString((float) m.kind().foldedAlpha())));
        }
        metadata.put(ARGUMENTS, arguments.toString());
    }

    /** LyCORIS' word for a kind that is its own; null for kohya's. */
    private static @Nullable String algorithm(List<ModuleForm> modules) {
        if (modules.stream().anyMatch(m -> m.kind() instanceof Loha)) {
            return "loha";
        }
        if (modules.stream().anyMatch(m -> m.kind() instanceof FullDifference)) {
            return "full";
        }
        return modules.stream().anyMatch(m -> m.kind() instanceof Lokr) ? "lokr" : null;
    }
}
