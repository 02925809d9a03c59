package training.lora.images;

import com.google.cloud.tools.jib.api.Containerizer;
import com.google.cloud.tools.jib.api.ImageReference;
import com.google.cloud.tools.jib.api.InvalidImageReferenceException;
import com.google.cloud.tools.jib.api.Jib;
import com.google.cloud.tools.jib.api.JibContainer;
import com.google.cloud.tools.jib.api.JibContainerBuilder;
import com.google.cloud.tools.jib.api.TarImage;
import com.google.cloud.tools.jib.api.buildplan.AbsoluteUnixPath;
import com.google.cloud.tools.jib.api.buildplan.FileEntriesLayer;
import com.google.cloud.tools.jib.api.buildplan.FilePermissions;
import com.google.cloud.tools.jib.api.buildplan.ImageFormat;
import com.google.cloud.tools.jib.api.buildplan.Platform;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Set;
import java.util.concurrent.ExecutionException;

/** Packs images as archives that container engines, containerd and skopeo read. */
final class ArchiveWriter {
    private final Path cache;
    private final Instant time;

    /**
     * @param cache folder for packed layers; what it has is deleted
     * @param time of all files and of the images
     */
    ArchiveWriter(Path cache, Instant time) {
        this.cache = cache;
        this.time = time;
    }

    /** Returns the digest of its manifest. */
    String write(Image image, Path archive) throws IOException, InterruptedException {
        // Jib knows a layer again by its files' names and times, and here all times are the same.
        Layer.delete(cache);
        JibContainerBuilder builder = Jib.fromScratch()
                .setFormat(ImageFormat.Docker)
                .setPlatforms(Set.of(new Platform("amd64", "linux")))
                .setCreationTime(time)
                .setUser(ImageConfig.USER)
                .setWorkingDirectory(AbsoluteUnixPath.get(ImageConfig.HOME))
                .setEnvironment(image.config().environment())
                .setEntrypoint(image.config().entrypoint())
                .setLabels(image.config().labels());
        for (Layer layer : image.layers()) {
            builder.addFileEntriesLayer(entries(layer));
        }
        try {
            JibContainer container = builder.containerize(
                    Containerizer.to(TarImage.at(archive).named(ImageReference.parse(image.reference())))
                            .setOfflineMode(true)
                            .setApplicationLayersCache(cache)
                            .setBaseImageLayersCache(cache)
                            .setToolName("lora-training"));
            return container.getDigest().toString();
        } catch (InvalidImageReferenceException e) {
            throw new IOException("`" + image.reference() + "` must be the name of an image", e);
        } catch (ExecutionException
                | com.google.cloud.tools.jib.api.RegistryException
                | com.google.cloud.tools.jib.api.CacheDirectoryCreationException e) {
            throw new IOException(image.name() + " can't be packed", e);
        }
    }

    private FileEntriesLayer entries(Layer layer) throws IOException {
        FileEntriesLayer.Builder entries = FileEntriesLayer.builder().setName(layer.name());
        for (Path file : layer.contents()) {
            entries.addEntry(
                    file,
                    AbsoluteUnixPath.get(layer.path(file)),
                    FilePermissions.fromOctalString(layer.mode(file)),
                    time,
                    "0:0");
        }
        return entries.build();
    }
}
