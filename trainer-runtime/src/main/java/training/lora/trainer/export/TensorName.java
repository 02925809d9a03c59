package training.lora.trainer.export;

import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.adapter.AdapterPart;
import training.lora.trainer.model.basemodel.UNetStateDictAdapter;
import training.lora.trainer.model.layer.Component;

/**
 * What the name of a tensor in an adapter's file means. Trainers join a module's name and a factor's ending freely, so
 * every known beginning is understood with every known ending.
 *
 * @param component the part of the model
 * @param path the module's path in it, in diffusers' names
 * @param part what of the module it is
 * @param naming whose name it is
 */
record TensorName(Component component, String path, AdapterPart part, Naming naming) {
    /** kohya: .lora_down.weight; PEFT: .lora_A.weight, with an adapter's name between; diffusers: .lora.down.weight, _lora.down.weight. */
    private static final Pattern FACTOR =
            Pattern.compile("(?<module>.+?)[._]lora(_linear_layer)?[._](?<side>down|up|A|B)((\\.[\\w-]+)?\\.weight)?");

    /** kohya: .dora_scale; PEFT: .lora_magnitude_vector, .lora_magnitude_vector.default.weight. */
    private static final Pattern MAGNITUDE =
            Pattern.compile("(?<module>.+?)\\.(dora_scale|lora_magnitude_vector((\\.[\\w-]+)?\\.weight)?)");

    /** LyCORIS' names, which PEFT's LoHa and LoKr have too, with an adapter's name behind them. */
    private static final Pattern LYCORIS = Pattern.compile(
            "(?<module>.+?)\\.(?<part>hada_w[12]_[ab]|hada_t[12]|lokr_w[12]|lokr_w[12]_[ab]|lokr_t2|lora_mid|diff)(\\.weight|\\.default)?");

    private static final Map<String, Component> UNDERSCORED = Map.of(
            "lora_unet_", Component.UNet,
            "lycoris_", Component.UNet,
            "lora_te_", Component.TextEncoder,
            "lora_te1_", Component.TextEncoder,
            "lora_te2_", Component.TextEncoder2);

    private record Prefix(String text, Component component, Naming naming) {}

    /** Of dotted paths; the first that fits counts. */
    private static final List<Prefix> DOTTED = List.of(
            new Prefix("text_encoder_2.", Component.TextEncoder2, Naming.Diffusers),
            new Prefix("text_encoder.", Component.TextEncoder, Naming.Diffusers),
            new Prefix("text_encoders.clip_l.transformer.", Component.TextEncoder, Naming.ComfyUi),
            new Prefix("text_encoders.clip_g.transformer.", Component.TextEncoder2, Naming.ComfyUi),
            new Prefix("clip_l.transformer.", Component.TextEncoder, Naming.ComfyUi),
            new Prefix("clip_g.transformer.", Component.TextEncoder2, Naming.ComfyUi),
            new Prefix("model.diffusion_model.", Component.UNet, Naming.ComfyUi),
            new Prefix("diffusion_model.", Component.UNet, Naming.ComfyUi),
            new Prefix("unet.", Component.UNet, Naming.Diffusers),
            new Prefix("", Component.UNet, Naming.Diffusers));

    /** What PEFT puts before the paths of a model that it wraps. */
    private static final String WRAPPED = "base_model.model.";

    /** What a UNet's paths begin with in the original code's names, and in diffusers'. */
    private static final List<String> ORIGINAL =
            List.of("input_blocks.", "middle_block.", "output_blocks.", "time_embed.", "label_emb.", "out.");

    private static final List<String> DIFFUSERS = List.of(
            "down_blocks.", "mid_block.", "up_blocks.", "conv_in", "conv_out", "time_embedding.", "add_embedding.");

    private static final String TEXT_MODEL = "text_model.";

    private static final String TEXT_PROJECTION = "text_projection";

    /** The beginnings of what stands in a UNet or beside a text encoder's layers, and isn't adapted here. */
    private static final Set<String> ROOTS =
            Set.of("conv_in", "conv_out", "time_embedding", "add_embedding", TEXT_PROJECTION);

    /**
     * Understands a name.
     *
     * @param paths the UNet's names, for files that have the original code's
     * @return null if it is none of a LoRA of Stable Diffusion 1.x or XL
     */
    static @Nullable TensorName parse(String tensor, UNetStateDictAdapter paths) {
        String module;
        AdapterPart part;
        Matcher factor = FACTOR.matcher(tensor);
        Matcher magnitude = MAGNITUDE.matcher(tensor);
        Matcher lycoris = LYCORIS.matcher(tensor);
        if (magnitude.matches()) {
            module = magnitude.group("module");
            part = AdapterPart.Magnitude;
        } else if (lycoris.matches()) {
            module = lycoris.group("module");
            part = lycorisPart(lycoris.group("part"));
        } else if (factor.matches()) {
            module = factor.group("module");
            String side = factor.group("side");
            part = side.equals("down") || side.equals("A") ? AdapterPart.Down : AdapterPart.Up;
        } else if (tensor.endsWith(AdapterPart.Alpha.kohya())) {
            module = tensor.substring(
                    0, tensor.length() - AdapterPart.Alpha.kohya().length());
            part = AdapterPart.Alpha;
        } else {
            return null;
        }
        for (Map.Entry<String, Component> prefix : UNDERSCORED.entrySet()) {
            if (module.startsWith(prefix.getKey())) {
                String rest = module.substring(prefix.getKey().length());
                return rest.isEmpty() || rest.indexOf('.') >= 0
                        ? null
                        : of(prefix.getValue(), Underscored.path(rest), part, Naming.Kohya, paths);
            }
        }
        for (Prefix prefix : DOTTED) {
            if (module.startsWith(prefix.text())) {
                String rest = module.substring(prefix.text().length());
                boolean wrapped = !prefix.text().isEmpty() && rest.startsWith(WRAPPED);
                return of(
                        prefix.component(),
                        wrapped ? rest.substring(WRAPPED.length()) : rest,
                        part,
                        prefix.naming(),
                        paths);
            }
        }
        return null;
    }

    private static AdapterPart lycorisPart(String name) {
        for (AdapterPart part : AdapterPart.values()) {
            if (part.kohya().replaceFirst("\\.weight$", "").equals("." + name)) {
                return part;
            }
        }
        throw new IllegalStateException(name + " must be a part of an adapter");
    }

    /** Whether {@code tensor} is named as a part of LyCORIS' {@code method}, hada or lokr. */
    static boolean isLycoris(String tensor, String method) {
        Matcher matcher = LYCORIS.matcher(tensor);
        return matcher.matches() && matcher.group("part").startsWith(method);
    }

    /** Whether {@code tensor} is named as a factor of some LoRA, of whatever architecture. */
    static boolean isFactor(String tensor) {
        return FACTOR.matcher(tensor).matches() || LYCORIS.matcher(tensor).matches();
    }

    /** Whether {@code tensor} is named as a magnitude of DoRA. */
    static boolean isMagnitude(String tensor) {
        return MAGNITUDE.matcher(tensor).matches();
    }

    /** Whether the module {@code path} of a component stands outside of what is adapted here. */
    static boolean onlyElsewhere(String path) {
        int dot = path.indexOf('.');
        return ROOTS.contains(dot < 0 ? path : path.substring(0, dot));
    }

    private static @Nullable TensorName of(
            Component component, String path, AdapterPart part, Naming naming, UNetStateDictAdapter paths) {
        String ours = component == Component.UNet ? unet(path, paths) : text(path);
        if (ours == null) {
            return null;
        }
        boolean bare = naming == Naming.Diffusers && ORIGINAL.stream().anyMatch(path::startsWith);
        return new TensorName(component, ours, part, bare ? Naming.ComfyUi : naming);
    }

    private static @Nullable String unet(String path, UNetStateDictAdapter paths) {
        if (ORIGINAL.stream().anyMatch(path::startsWith)) {
            return paths.toDiffusers(path);
        }
        // As diffusers named attention's projections until 2023.
        String ours = path.replace(".processor.", ".").replaceFirst("\\.to_out$", ".to_out.0");
        return DIFFUSERS.stream().anyMatch(ours::startsWith) ? ours : null;
    }

    /**
     * A text encoder's path begins with {@code text_model.} whether or not the file says so: transformers 5 doesn't in the
     * first encoder.
     */
    private static @Nullable String text(String path) {
        if (path.equals(TEXT_PROJECTION)) {
            return path;
        }
        String ours = path.replaceFirst("\\.to_([qkv])$", ".$1_proj").replaceFirst("\\.to_out$", ".out_proj");
        String inner = ours.startsWith(TEXT_MODEL) ? ours.substring(TEXT_MODEL.length()) : ours;
        if (inner.equals(TEXT_PROJECTION)) {
            return inner;
        }
        return inner.startsWith("encoder.layers.") ? TEXT_MODEL + inner : null;
    }
}
