package portal

import (
	"errors"
	"io"
	"mime/multipart"

	"holdfast/server/control"
	"holdfast/server/wire"
	"holdfast/web/page"
	"holdfast/web/view"
)

// upload stores the files of a form as they come. With the script the page sends
// them one by one to the data path instead.
func upload(v *page.Visit, parts *multipart.Reader) error {
	volume, err := theVolume(v)
	if err != nil {
		return err
	}
	dir, ok := view.Unpacked(v.Query("dir"))
	if !ok {
		return control.NewError(wire.TypeInvalid, nil, "This is not a usable path. Go back and choose it again.")
	}
	stored := 0
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return control.NewError(wire.TypeInvalid, err, "The upload broke off. %s stored; send the others again.", view.Count(int64(stored), "file is", "files are"))
		}
		if part.FileName() == "" { // Go keeps the last element only
			continue
		}
		u := control.Upload{Volume: volume.ID, Path: dir + part.FileName(), ContentType: part.Header.Get("Content-Type")}
		if volume.Kind == "stream" {
			u.Path = ""
		}
		if _, err := v.Control.PutFile(v.Context(), v.Who, u, part); err != nil {
			return err
		}
		stored++
	}
	if stored == 0 {
		return control.NewError(wire.TypeInvalid, nil, "The form has no files. Choose some and send it again.")
	}
	return v.Go(with(view.Point{Volume: volume}.Browse(dir), "done", "uploaded"))
}

// giveUp gives an upload up that broke off.
func giveUp(v *page.Visit) error {
	if err := v.Control.GiveUpUpload(v.Context(), v.Who, v.Param("volume"), v.Param("upload")); err != nil {
		return err
	}
	return v.Go("/volumes/" + v.Param("volume") + "?done=upload-given-up")
}
