package training.lora.images;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** PyTorch's native libraries in an image of the trainer. */
sealed interface TorchNatives permits CpuNatives, CudaNatives {
    /** Where an image's native libraries lie; DJL looks there for what it has unpacked before. */
    String FOLDER = TrainerImage.HOME + "/natives";

    String PLATFORM = "linux-x86_64";

    /** Name of the image that has them. */
    String image();

    /** What stands behind the version in the image's tag. */
    String tagSuffix();

    /** One sentence for the image's label. */
    String description();

    /** Variables by which the trainer finds them. */
    Map<String, String> environment();

    /** Names of the layers that are theirs alone, from that which changes least. */
    List<String> layers();

    /**
     * Lays out {@link #layers()}, and DJL's glue in {@code small}.
     *
     * @param folder where layers are laid out
     * @param small a layer for natives of a few megabytes
     */
    List<Layer> lay(Path folder, Layer small, TrainerJars jars, Sbom sbom) throws IOException, InterruptedException;

    /** The folder in which DJL keeps PyTorch's natives of {@code flavor}. */
    static String folder(TrainerJars jars, String flavor) throws IOException {
        return "%s/pytorch/%s-%s-%s".formatted(FOLDER, jars.torchVersion(), flavor, PLATFORM);
    }

    /** Takes DJL's glue of {@code flavor} between Java and libtorch. */
    static void glue(TrainerJars jars, String flavor, Layer layer) throws IOException {
        jars.glue()
                .unpack(
                        "jnilib/%s/%s/libdjl_torch.so".formatted(PLATFORM, flavor),
                        layer,
                        "%s/%s-libdjl_torch.so".formatted(folder(jars, flavor), jars.djlVersion()));
    }
}
