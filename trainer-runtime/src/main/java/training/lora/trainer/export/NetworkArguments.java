package training.lora.trainer.export;

import com.fasterxml.jackson.core.JsonProcessingException;
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
    private static final String PLUS = "loraplus_lr_ratio";
    private static final String LYCORIS = "lycoris.kohya";

    private NetworkArguments() {}

    /** Adds what is to be said of {@code modules}. */
    static void describe(Map<String, String> metadata, List<ModuleForm> modules) {
        String algorithm = algorithm(modules);
        List<ModuleForm> convolutions = modules.stream()
                .filter(m -> m.convolution() && !(m.kind() instanceof FullDifference))
                .toList();
        if (modules.isEmpty()) {
            // Tokens alone are no network.
            metadata.remove(MODULE);
            metadata.computeIfPresent(
                    "modelspec.architecture", (key, value) -> value.replaceFirst("/lora$", "/textual-inversion"));
            return;
        }
        if (algorithm != null) {
            metadata.put(MODULE, LYCORIS);
        }
        if (algorithm == null && convolutions.isEmpty()) {
            return;
        }
        ObjectNode arguments = told(metadata.get(ARGUMENTS));
        if (algorithm != null) {
            arguments.put("algo", algorithm);
            if (algorithm.equals("lokr")) {
                arguments.put("factor", factor(modules));
            }
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

    /** What was said already that the modules don't tell; nothing where that can't be read. */
    private static ObjectNode told(@Nullable String arguments) {
        ObjectNode kept = Json.MAPPER.createObjectNode();
        try {
            if (arguments != null && Json.MAPPER.readTree(arguments) instanceof ObjectNode said && said.has(PLUS)) {
                kept.set(PLUS, said.get(PLUS));
            }
        } catch (JsonProcessingException e) {
            // What another trainer wrote so says nothing.
            return kept;
        }
        return kept;
    }

    /** The greatest part of a module's features in w1, with which LyCORIS' factorization gives that of every module. */
    private static String factor(List<ModuleForm> modules) {
        return Long.toString(modules.stream()
                .filter(m -> m.kind() instanceof Lokr)
                .map(m -> (Lokr) m.kind())
                .mapToLong(kind -> Math.max(kind.out().first(), kind.inFirst()))
                .max()
                .orElseThrow());
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
